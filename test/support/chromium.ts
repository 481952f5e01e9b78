// A real Chromium: the one that the package @sparticuz/chromium holds, unpacked for the length of a test file, or
// the one that the environment variable CHROMIUM names (a path), for machines on which the first does not run.
import { execFile } from 'node:child_process';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createBrotliDecompress } from 'node:zlib';
import { type Browser, chromium } from 'playwright-core';

const PACKED = fileURLToPath(
  new URL('../../node_modules/@sparticuz/chromium/bin', import.meta.url),
);

/** A browser without a window; whoever starts it calls `stop()`. */
export interface RunningBrowser {
  readonly browser: Browser;
  stop(): Promise<void>;
}

/**
 * Starts Chromium.
 *
 * @throws Error where the packed one does not run and no other is named
 */
export async function startChromium(): Promise<RunningBrowser> {
  const named = process.env['CHROMIUM'];
  if (named !== undefined && named !== '') {
    const browser = await chromium.launch({ executablePath: named });
    return { browser, stop: () => browser.close() };
  }
  if (process.platform !== 'linux' || process.arch !== 'x64') {
    throw new Error(
      'The Chromium among the packages is for Linux on x64. Set CHROMIUM to the path of another: ' +
        'Chromium, Chrome or Edge.',
    );
  }
  const folder = await mkdtemp(path.join(tmpdir(), 'backup-streams-chromium-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  try {
    const browser = await launchPacked(folder);
    return { browser, stop: () => browser.close().finally(remove) };
  } catch (error) {
    await remove();
    throw error;
  }
}

async function launchPacked(folder: string): Promise<Browser> {
  const executablePath = path.join(folder, 'chromium');
  const fontsConf = path.join(folder, 'fonts.conf');
  await Promise.all([
    unpack('chromium.br', executablePath),
    // Libraries that a machine without a desktop may lack.
    unpackTar('al2023.tar.br', folder),
    unpackTar('fonts.tar.br', path.join(folder, 'fonts')),
    writeFile(fontsConf, `<fontconfig><dir>${folder}/fonts</dir></fontconfig>`),
  ]);
  return chromium.launch({
    executablePath,
    args: ['--disable-gpu'],
    env: {
      ...process.env,
      LD_LIBRARY_PATH: path.join(folder, 'lib'),
      FONTCONFIG_FILE: fontsConf,
      XDG_CACHE_HOME: path.join(folder, 'cache'),
    },
  });
}

async function unpack(name: string, file: string): Promise<void> {
  await pipeline(
    createReadStream(path.join(PACKED, name)),
    createBrotliDecompress({ chunkSize: 1 << 20 }),
    createWriteStream(file, { mode: 0o700 }),
  );
}

async function unpackTar(name: string, folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const tar = path.join(folder, name.replace(/\.br$/, ''));
  await unpack(name, tar);
  await promisify(execFile)('tar', ['-xf', tar, '-C', folder]);
}
