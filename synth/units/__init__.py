"""Arithmetic units of published methods, a method a file; `synth.unrolled.paper_layer` has their rows."""
