// The one thing that errors of the server say the same way in every language.

// Every SQLSTATE has a digit in it; EPIPE has not.
const sqlStatePattern = /^(?=.*[0-9])[0-9A-Z]{5}$/;

/** The SQLSTATE of what `pg` threw; undefined for what no server has said. */
export function sqlStateOf(cause: unknown): string | undefined {
  const code = (cause as { readonly code?: unknown } | null | undefined)?.code;
  return typeof code === 'string' && sqlStatePattern.test(code) ? code : undefined;
}
