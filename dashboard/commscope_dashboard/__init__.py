"""The Dash app: which layout is better here, why, and who stalls whom."""
