"""Tests of the closer."""
