"""The runs a dashboard shows.

Paths in; analyses, comparisons and facts of their machines out.
"""
