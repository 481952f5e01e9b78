// A host that is busy: as in a long step of its own, nothing that comes is looked at meanwhile.

/** Holds up the process. */
export function keepBusy(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
