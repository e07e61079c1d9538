"""ARC, the Annotated Research Context: the ISA workbooks around a dataset, https://github.com/nfdi4plants/ARC-specification."""
