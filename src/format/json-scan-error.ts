// Why a text is not JSON, told by an error that costs nothing to make.

/** Where and why a text is not JSON. Internal: callers turn it into their own typed error at once. */
export class JsonScanError extends Error {
  reason = '';
  /** From the start of the bytes that were scanned. */
  byteOffset = 0;
}

// One for all of them: an error gathers its stack when it is made, which takes longer than to scan many
// a line, and a bad file has millions. Whoever catches it reads it before anything else is scanned.
const failure = new JsonScanError('not JSON');

/** The error to throw where a scan fails; what the last one said is gone. */
export function scanError(reason: string, byteOffset: number): JsonScanError {
  failure.reason = reason;
  failure.byteOffset = byteOffset;
  return failure;
}
