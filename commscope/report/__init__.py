"""Reports: Analysis, Comparison or Verdict -> text a person, a file or a CI system reads."""
