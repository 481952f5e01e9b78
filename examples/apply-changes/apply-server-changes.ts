// A host's own store, kept in memory here: one map of records per app and table. What matters is what
// its apply function must do, whatever it stores in.
import type { SyncChange } from 'backup-streams';

interface StoredRecord {
  readonly values: Map<string, { readonly value: unknown; readonly updatedAt: string }>;
  deletedAt: string | undefined;
}

/** A store that takes the changes of a restore, as it takes those of its server. */
export class ChangeStore {
  readonly #records = new Map<string, StoredRecord>();
  readonly #applied = new Set<string>();

  /**
   * Applies changes of one app in their order. A change that was applied before is passed over, so
   * that a restore that failed half-way can simply be run again.
   *
   * @returns how many were new
   */
  applyServerChanges(appId: string, changes: readonly SyncChange[]): number {
    let newCount = 0;
    for (const change of changes) {
      if (this.#applied.has(change.eventId)) continue;
      this.#apply(appId, change);
      this.#applied.add(change.eventId);
      newCount += 1;
    }
    return newCount;
  }

  /** The values of a record; undefined when it is not there or deleted. */
  valuesOf(appId: string, table: string, id: string): ReadonlyMap<string, unknown> | undefined {
    const record = this.#records.get(JSON.stringify([appId, table, id]));
    if (record === undefined || record.deletedAt !== undefined) return undefined;
    return new Map([...record.values].map(([name, { value }]) => [name, value]));
  }

  #apply(appId: string, change: SyncChange): void {
    const key = JSON.stringify([appId, change.table, change.id]);
    const record: StoredRecord = this.#records.get(key) ?? {
      values: new Map(),
      deletedAt: undefined,
    };
    this.#records.set(key, record);
    switch (change.op) {
      case 'insert':
        // Made anew after it was deleted.
        if (record.deletedAt !== undefined) record.values.clear();
        record.deletedAt = undefined;
        for (const [name, value] of Object.entries(change.data as object)) {
          // An update that came first has the say.
          if (!record.values.has(name)) record.values.set(name, { value, updatedAt: '' });
        }
        return;
      case 'update':
        // The later time wins, field by field, so that order between clients does not matter.
        for (const [name, field] of Object.entries(change.fields)) {
          const there = record.values.get(name);
          if (there === undefined || isLater(field.updatedAt, there.updatedAt)) {
            record.values.set(name, field);
          }
        }
        return;
      case 'delete':
        record.deletedAt = change.deletedAt ?? 'unknown';
        return;
    }
  }
}

// Not as texts: a time without a fraction, 10:05:00Z, would come after 10:05:00.500Z.
function isLater(time: string, than: string): boolean {
  return than === '' || Date.parse(time) > Date.parse(than);
}
