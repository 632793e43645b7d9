"""The transformer.

A shape and a layout in; layers with each collective in sight, and the model they make, out.
"""
