"""The HTML page: what its template and its script see (`context`, `payload`), and how it is rendered."""
