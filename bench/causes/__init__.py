"""Finding root causes: three methods on the same stories, and what a look costs."""
