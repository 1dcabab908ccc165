"""Importers: one file for each layout in which corpora come, all towards the same manifests."""
