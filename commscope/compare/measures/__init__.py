"""What one run measures.

An Analysis in; metrics of it, exact and timed, and how busy its machine was with other work, out.
"""
