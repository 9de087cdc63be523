"""One page of what shiftbook's commands measured."""
