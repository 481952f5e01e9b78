// Who is asking: a bearer token to a user id. Put your own check in place of `knownTokens`: a JWT's
// signature, a session in a database.
import { createHash } from 'node:crypto';

/** A user, or why there is none; the reason goes into the 401 as it is. */
export type Authentication = { readonly userId: string } | { readonly reason: string };

/** Checks one token. May be async; a throw is a fault of the service (500), not of the caller. */
export type Authenticate = (token: string) => Authentication | Promise<Authentication>;

/** Takes the token out of an Authorization header (RFC 6750) and has it checked. */
export async function authenticateHeader(
  header: string | undefined,
  authenticate: Authenticate,
): Promise<Authentication> {
  if (header === undefined) return { reason: 'token-missing' };
  const token = /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(header)?.[1];
  return token === undefined ? { reason: 'token-malformed' } : authenticate(token);
}

/**
 * Tokens that are known beforehand, such as those of a test.
 *
 * @param users - user ids by token
 */
export function knownTokens(users: Readonly<Record<string, string>>): Authenticate {
  // Looked up by digest, so that the time it takes tells nothing of how near a guess is.
  const byDigest = new Map(Object.entries(users).map(([token, id]) => [digestOf(token), id]));
  return (token) => {
    const userId = byDigest.get(digestOf(token));
    return userId === undefined ? { reason: 'token-unknown' } : { userId };
  };
}

function digestOf(token: string): string {
  return createHash('sha256').update(token).digest('hex');
}
