// A pool without a server: it answers an export's own queries as a server would, and leaves the COPY to the test,
// which can then send what no server sends.
import { EventEmitter } from 'node:events';

import type {
  PgClient,
  PgConnection,
  PgPool,
  PgResult,
  PgSubmittable,
} from '../../src/postgres/client.js';

/** What pg calls on the submittable of a COPY. */
export interface CopyHandlers extends PgSubmittable {
  handleCopyData(message: { readonly chunk: Uint8Array }): void;
  handleCommandComplete(message: { readonly text: string }): void;
  handleReadyForQuery(): void;
  handleError(error: unknown): void;
}

const FACTS = {
  kind: 'r',
  isEnabled: true,
  isForced: true,
  isActive: true,
  isSuperuser: false,
  bypasses: false,
  isOwner: false,
  encoding: 'UTF8',
  columns: [
    ...['id', 'app_id', 'table_name', 'record_id', 'user_id', 'op', 'data', 'field_timestamps'],
    ...['client_id', 'created_at', 'schema_version'],
  ],
  userType: null,
  policies: [{ isPermissive: true, emptySettings: [] }],
};

/** A socket that says what it was told. */
class FakeSocket extends EventEmitter {
  isPaused = false;
  isDestroyed = false;

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  destroy(): void {
    this.isDestroyed = true;
  }
}

/** A pool of one fake client. */
export class FakeCopyPool implements PgPool {
  readonly socket = new FakeSocket();
  /** What the client was released with; empty while it is out. */
  readonly releases: (Error | boolean | undefined)[] = [];
  /** Every setting that was made. */
  readonly settings = new Map<string, string>();
  /** What the server says of the transaction after COMMIT. */
  statusAfterCommit = 'I';
  /** What is read for a setting at the end instead of what was set. */
  readonly changedSettings = new Map<string, string>();
  #status = 'I';
  #begin: ((copy: CopyHandlers) => void) | undefined;
  /** Settles with the COPY once it was submitted. */
  readonly copy = new Promise<CopyHandlers>((resolve) => {
    this.#begin = resolve;
  });

  connect(): Promise<PgClient> {
    const client = Object.assign(new EventEmitter(), {
      query: (query: string | CopyHandlers, values: string[] = []) => this.#query(query, values),
      release: (error?: Error | boolean) => void this.releases.push(error),
      escapeLiteral: (text: string) => `'${text}'`,
      getTransactionStatus: () => this.#status,
    });
    return Promise.resolve(client as unknown as PgClient);
  }

  #query(query: string | CopyHandlers, values: string[]): Promise<PgResult> | CopyHandlers {
    if (typeof query === 'string') return Promise.resolve({ rows: this.#answer(query, values) });
    const connection: PgConnection = { stream: this.socket, query: () => undefined };
    query.submit(connection);
    this.#begin?.(query);
    return query;
  }

  #answer(text: string, values: string[]): unknown[] {
    if (text.startsWith('BEGIN')) {
      this.#status = 'T';
      for (const [, name, value] of text.matchAll(/set_config\('(\w+)', '([^']*)', true\)/g)) {
        this.settings.set(name!, value!);
      }
    }
    if (text === 'COMMIT') this.#status = this.statusAfterCommit;
    if (text.includes('set_config($1')) {
      for (let index = 0; index < values.length; index += 2) {
        this.settings.set(values[index]!, values[index + 1]!);
      }
    }
    const listed = text.slice(text.indexOf('json_build_array'));
    const spelling = [...listed.matchAll(/current_setting\('(\w+)'\)/g)].map(([, name]) => name!);
    if (text.includes('row_security_active')) {
      return [{ facts: JSON.stringify({ ...FACTS, spelling: this.#read(spelling) }) }];
    }
    if (text.includes('json_build_array')) {
      return [{ settings: JSON.stringify(this.#read([...values, ...spelling])) }];
    }
    return [];
  }

  #read(names: readonly string[]): readonly (string | undefined)[] {
    return names.map((name) => this.changedSettings.get(name) ?? this.settings.get(name));
  }
}
