"""Services beside a task: containers in a private network, ready before it starts, gone after it."""

from buildbox.services.faults import ServiceFailed, ServiceLate, ServiceStopped
from buildbox.services.serve import serve

__all__ = ["ServiceFailed", "ServiceLate", "ServiceStopped", "serve"]
