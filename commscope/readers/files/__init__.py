"""What every format stands on.

A path in; blocks of bytes, and single values read tolerantly, out.
"""
