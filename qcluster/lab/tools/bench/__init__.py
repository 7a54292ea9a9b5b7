"""Simulations of the measuring tools: they ask the service for real and write what the real ones write."""

from __future__ import annotations
