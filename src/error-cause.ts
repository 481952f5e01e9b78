// What is kept of errors that this library did not make: names and codes, which hold nobody's data.

/** What is kept of an error that this library did not make. */
export interface ReducedCause {
  readonly name: string;
  readonly code?: string;
  readonly severity?: string;
  readonly routine?: string;
}

// Of the system or of Node, not an SQLSTATE.
const systemCode = /^[A-Z][A-Z0-9_]{2,63}$/;

/** The code by which the system or Node names an error, such as `ENOENT`; fit for any message. */
export function systemCodeOf(error: unknown): string | undefined {
  const code = (error as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && systemCode.test(code) ? code : undefined;
}

// Names and codes are identifiers; whatever does not look like one may be data and is dropped.
const identifier = /^[A-Za-z_][A-Za-z0-9_]{0,63}$|^[0-9A-Z]{5}$/;

/** Keeps what holds nobody's data. */
export function reduceCause(cause: unknown): ReducedCause {
  const from = (typeof cause === 'object' && cause !== null ? cause : {}) as Record<
    string,
    unknown
  >;
  const kept = (value: unknown): value is string =>
    typeof value === 'string' && identifier.test(value);
  const { name, code, severity, routine } = from;
  return {
    name: kept(name) ? name : 'Error',
    ...(kept(code) && { code }),
    ...(kept(severity) && { severity }),
    ...(kept(routine) && { routine }),
  };
}
