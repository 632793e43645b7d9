"""Rows of ranks brought side by side.

Instance rows in; tracks of one group, their offsets and pairs, and blocks of instances out.
"""
