"""Published data sets that are downloaded by hand."""
