"""Pure functions: RankTrace -> RankAnalysis, one rank at a time; and RankAnalysis of all -> Analysis."""
