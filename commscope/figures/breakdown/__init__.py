"""Where the time of a step goes: bars, timeline, phases and the critical path.

A Subject in; a figure, a caption and a text twin out.
"""
