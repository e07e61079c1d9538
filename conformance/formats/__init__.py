"""Every file of the corpus against independent libraries: the table of formats, and the tests that hold it."""
