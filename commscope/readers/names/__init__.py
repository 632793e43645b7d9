"""What names and arguments in traces mean.

The name of a kernel, operator, range or number format in; kinds, phases, steps, facts out.
"""
