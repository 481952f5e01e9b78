// A file that has its name only once it is whole and on the disk. Until then it is FILE.part, which
// nobody else can read, and a run that fails takes it away again.
import type { WriteStream } from 'node:fs';
import { link, lstat, open, rename, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import path from 'node:path';

import { ToolError } from './failure.js';

/** Options of {@link createNewFile}. */
export interface NewFileOptions {
  /** Whether a file of that name may be there, and is replaced in the end. */
  readonly replaces: boolean;
}

/**
 * Makes `FILE.part`, which also keeps a second run for the same file out.
 *
 * @throws ToolError FILE_EXISTS, unless it may be replaced; NOT_A_FILE; PART_FILE_EXISTS
 */
export async function createNewFile(file: string, options: NewFileOptions): Promise<NewFile> {
  await refuseTaken(file, options);
  const partFile = partFileOf(file);
  try {
    // O_EXCL: nothing that is there is written over, nor what a link that is there leads to.
    return new NewFile(file, { ...options, handle: await open(partFile, 'wx', 0o600) });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
    const message =
      `${partFile} is there: another run is writing it, or one was killed; ` +
      'remove it if none is running';
    throw new ToolError('PART_FILE_EXISTS', message);
  }
}

/** A file being written. Call `publish()` once it is proven, and `discard()` in any case. */
export class NewFile {
  /** Where the bytes are until `publish()`. */
  readonly partFile: string;
  readonly #file: string;
  readonly #replaces: boolean;
  readonly #handle: FileHandle;
  #stream: WriteStream | undefined;

  /** @param handle - of `FILE.part`, made for this */
  constructor(file: string, options: NewFileOptions & { readonly handle: FileHandle }) {
    this.partFile = partFileOf(file);
    this.#file = file;
    this.#replaces = options.replaces;
    this.#handle = options.handle;
  }

  /** Takes the bytes, once; when it has closed, they are on the disk. */
  stream(): WriteStream {
    this.#stream = this.#handle.createWriteStream({ flush: true });
    return this.#stream;
  }

  /** Gives the file its name, for good: the folder is on the disk too when this comes back. */
  async publish(): Promise<void> {
    if (this.#replaces) await rename(this.partFile, this.#file);
    else await this.#takeName();
    await flushFolder(path.dirname(this.#file));
  }

  /** Leaves nothing behind of what was not published. */
  async discard(): Promise<void> {
    this.#stream?.destroy();
    await this.#handle.close().catch(() => undefined);
    await rm(this.partFile, { force: true });
  }

  // rename() would replace what has come there since: only making a link, or a file, does not.
  async #takeName(): Promise<void> {
    try {
      await link(this.partFile, this.#file);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw fileExists(this.#file);
      // A file system without hard links: the name is taken by an empty file first.
      await (await open(this.#file, 'wx', 0o600)).close();
      await rename(this.partFile, this.#file);
    }
    await rm(this.partFile, { force: true });
  }
}

function partFileOf(file: string): string {
  return `${file}.part`;
}

async function refuseTaken(file: string, { replaces }: NewFileOptions): Promise<void> {
  const found = await lstat(file).catch((error: unknown) => {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  });
  if (found === undefined) return;
  if (!found.isFile()) throw new ToolError('NOT_A_FILE', `${file} is there and is no plain file`);
  if (!replaces) throw fileExists(file);
}

function fileExists(file: string): ToolError {
  return new ToolError('FILE_EXISTS', `${file} is there already: --force replaces it`);
}

async function flushFolder(folder: string): Promise<void> {
  if (process.platform === 'win32') return; // which cannot open a folder
  const handle = await open(folder, 'r');
  try {
    await handle.sync();
  } finally {
    await handle.close();
  }
}
