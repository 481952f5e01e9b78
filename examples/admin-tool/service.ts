// What is your service's own, and the first file to change after copying: where the log lies, what its
// policies read, and how older lines come up to date.
import type { RestoreOptions } from 'backup-streams/postgres';

/** Exports take `log` and `settings`, restores all three: see `RestoreOptions`. */
export const service: Pick<RestoreOptions, 'log' | 'settings' | 'upcaster'> = {
  // log: { schema: 'sync', table: 'changes', extraColumns: { actor: 'actor' } },
  // settings: { 'app.tenant': 'acme' },
  // upcaster: createUpcaster({ current: 2, steps: { 1: (line) => line } }),
};
