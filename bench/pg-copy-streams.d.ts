// The one function of pg-copy-streams that is measured; the package brings no types.
declare module 'pg-copy-streams' {
  import type { Readable } from 'node:stream';
  import type { Submittable } from 'pg';

  /** A Readable of what a `COPY … TO STDOUT` sends. */
  export function to(text: string): Readable & Submittable & { readonly rowCount: number };
}
