// Reads a Content-Disposition header as a strict client does, independently of the code that writes it.

/** What a client makes of the header. */
export interface Disposition {
  readonly type: string;
  /** The quoted `filename`, unescaped. */
  readonly filename: string;
  /** `filename*`, decoded; left out where there is none. */
  readonly extended: string | undefined;
}

/**
 * Reads `type; filename="…"; filename*=UTF-8''…`.
 *
 * @throws Error for anything else, such as a parameter that nobody expects or is there twice
 */
export function parseDisposition(header: string): Disposition {
  // RFC 6266 with the quoted-string of RFC 9110 5.6.4 and the ext-value of RFC 8187 3.2.1.
  const quoted = String.raw`"((?:[\t \x21\x23-\x5b\x5d-\x7e]|\\[\t \x21-\x7e])*)"`;
  const extended = String.raw`UTF-8''((?:%[0-9A-F]{2}|[A-Za-z0-9!#$&+.^_\x60|~-])*)`;
  const whole = new RegExp(`^(\\w+); filename=${quoted}(?:; filename\\*=${extended})?$`);
  const match = whole.exec(header);
  if (match === null) throw new Error(`not the form of a download's header: ${header}`);
  const [, type = '', filename = '', encoded] = match;
  return {
    type,
    filename: filename.replaceAll(/\\(.)/g, '$1'),
    extended: encoded === undefined ? undefined : decodeURIComponent(encoded),
  };
}
