"""The options of `shiftbook compress`, a file for each panel of its help."""
