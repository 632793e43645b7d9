"""What people allow.

Configuration as written in; budgets, limits and expectations out.
"""
