"""The engine against other generators and against known truths: `make bench-engine`. Not part of any measurement."""
