"""What is measured. A function with ``@row`` in any module here is a row of the report."""
