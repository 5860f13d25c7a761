"""A cluster whose machines are processes of this one."""

import contextlib

from tests.cluster import work

from drrec.cluster.config import RayConfig
from drrec.cluster.session import connected, ray_module

STORE = 100 << 20
"""Bytes that a machine may keep of objects."""


class Machines:
    """A head without cores, and machines that come and go."""

    def __init__(self):
        ray_module()
        from ray import cluster_utils

        self._cluster = cluster_utils.Cluster()
        self._begin(num_cpus=0, include_dashboard=False)
        self.address = self._cluster.address

    @contextlib.contextmanager
    def of(self, *cores):
        """As many machines, with so many cores each, until the end of the body."""
        for each in cores:
            self._begin(num_cpus=each)
        try:
            yield
        finally:
            for each in [*self._cluster.worker_nodes]:
                self._cluster.remove_node(each)
            self._cluster.wait_for_nodes()

    def _begin(self, **settings):
        """Begin a machine; Ray gives it half a minute, which may not do where others work."""
        for is_last in (False, False, False, False, True):
            try:
                self._cluster.add_node(object_store_memory=STORE, **settings)
                return
            except Exception:
                if is_last:
                    raise

    def kill(self):
        """Kill one with cores, but not the one that this process is connected to."""
        from ray._private.worker import global_worker

        own = global_worker.node._raylet_socket_name
        other = next(e for e in self._cluster.worker_nodes if e._raylet_socket_name != own)
        self._cluster.remove_node(other, allow_graceful=False)

    def connected(self, begin=work.nothing, **settings):
        return connected(RayConfig(ray=self.address, **settings), begin)

    def shutdown(self):
        self._cluster.shutdown()
