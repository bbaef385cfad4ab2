"""The half right of the file boundary: from a stored run to estimates, charts and a report, with no server up."""
