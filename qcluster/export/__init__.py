"""The same plan in other tools' words, for those who outgrow SSH: Prometheus, Grafana, systemd, Kubernetes.

Every function here is pure: plan in, text or documents out.
"""
