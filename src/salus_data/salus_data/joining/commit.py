"""Where whole episodes go: the arrays are made, the record completed and the store written."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from salus_data.contract import Contract
from salus_data.episode import EpisodeRecord
from salus_data.joining.assembler import image_channel
from salus_data.joining.episode_arrays import episode_arrays, first_intervention
from salus_data.writer import StoreWriter


class EpisodeSink:
    """Writes whole episodes into one store, which is created when the first one comes.

    Only an episode knows the size of its images, so the store cannot be created earlier.
    """

    def __init__(self, path: Path, contract: Contract, provenance: Mapping[str, Any]) -> None:
        self.path = path
        self.contract = contract
        self._provenance = provenance
        self._writer: StoreWriter | None = None

    def write(self, record: EpisodeRecord, joined: Mapping[str, NDArray[Any]]) -> EpisodeRecord:
        """Commit one episode; returns the record as it stands in the store.

        Raises:
            SalusError: it does not fit the store, or the disk refuses.
        """
        return self.write_arrays(record, episode_arrays(self.contract, joined))

    def write_arrays(
        self, record: EpisodeRecord, arrays: Mapping[str, NDArray[Any]]
    ) -> EpisodeRecord:
        """Commit one episode whose arrays are those of the store already.

        Raises:
            SalusError: it does not fit the store, or the disk refuses.
        """
        record = self._hold(record, arrays)
        self.commit()
        return record

    def hold(self, record: EpisodeRecord, joined: Mapping[str, NDArray[Any]]) -> EpisodeRecord:
        """Take one episode for the next `commit`; returns its record as it will be in the store.

        Raises:
            SalusError: it does not fit the store, or the disk refused earlier.
        """
        return self._hold(record, episode_arrays(self.contract, joined))

    def commit(self) -> None:
        """Write what is held, all at once.

        Raises:
            StoreWriteError: the disk refuses.
        """
        if self._writer is not None:
            self._writer.commit()

    def _hold(self, record: EpisodeRecord, arrays: Mapping[str, NDArray[Any]]) -> EpisodeRecord:
        record = dataclasses.replace(
            record, first_intervention_step=first_intervention(arrays["supervisor_state"])
        )
        if self._writer is None:
            self._writer = self._open(arrays)
        self._writer.hold(record, arrays)
        return record

    def _open(self, arrays: Mapping[str, NDArray[Any]]) -> StoreWriter:
        cameras = self.contract.cameras
        images = {camera: arrays[image_channel(camera)] for camera in cameras}
        shapes = {camera: (image.shape[1], image.shape[2]) for camera, image in images.items()}
        embedding = arrays.get("embedding")
        return StoreWriter.open(
            self.path,
            self.contract,
            images=shapes or None,
            provenance=self._provenance,
            embedding_size=0 if embedding is None else embedding.shape[1],
        )

    def close(self) -> None:
        """Give the store back; committed episodes stay."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None
