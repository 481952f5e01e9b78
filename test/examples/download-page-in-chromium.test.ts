// The page of the example of a sync service in a real Chromium: what a person does there, and what is on the disk
// afterwards. The browser comes with the packages, for Linux on x64; elsewhere, as on macOS, set the environment
// variable CHROMIUM to the path of a Chromium, Chrome or Edge.
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import type { BrowserContextOptions, Download, Page } from 'playwright-core';

import { verifyArchive } from '../../src/archive/index.js';
import { waitForBackend } from '../support/backends.js';
import { LONG_LOG, USER } from '../support/change-log.js';
import { type RunningBrowser, startChromium } from '../support/chromium.js';
import { get } from '../support/http-client.js';
import {
  type Service,
  closedPort,
  untouchable,
  withLog,
  withService,
} from '../support/sync-service.js';
import { startWireProxy } from '../support/wire-proxy.js';

const LIMIT_MS = 30_000;

interface Visit {
  readonly page: Page;
  /** Method and address of each request so far. */
  readonly requests: readonly string[];
  /** What the browser complained about: what the policy forbids, errors of the script. */
  readonly complaints: readonly string[];
}

describe('the download page in Chromium', { timeout: 240_000 }, () => {
  let running: RunningBrowser | undefined;

  before(async () => {
    running = await startChromium();
  });

  after(() => running?.stop());

  /** A person who has opened the page in a browser without a past. */
  async function visit(
    { origin }: Service,
    use: (visit: Visit) => Promise<void>,
    options: BrowserContextOptions = {},
  ): Promise<void> {
    const context = await running!.browser.newContext(options);
    context.setDefaultTimeout(LIMIT_MS);
    try {
      const page = await context.newPage();
      const requests: string[] = [];
      const complaints: string[] = [];
      page.on('request', (request) => requests.push(`${request.method()} ${request.url()}`));
      page.on('pageerror', (error) => complaints.push(error.message));
      page.on('console', (message) => {
        // That an answer is no 200 is what those tests are about.
        if (!message.text().includes('the server responded with a status')) {
          complaints.push(message.text());
        }
      });
      await page.goto(origin);
      await use({ page, requests, complaints });
    } finally {
      await context.close();
    }
  }

  const token = (page: Page) => page.getByLabel('Access token');
  const button = (page: Page) => page.getByRole('button', { name: 'Download' });
  const archive = (page: Page) => page.getByRole('radio', { name: 'Archive (recommended)' });
  const jsonLines = (page: Page) => page.getByRole('radio', { name: 'JSON Lines' });

  async function downloadBy(page: Page, act: () => Promise<void>): Promise<Download> {
    const [download] = await Promise.all([page.waitForEvent('download'), act()]);
    return download;
  }

  /** What is on the disk, once the browser says that it is all. */
  async function savedBytes(download: Download): Promise<Buffer> {
    assert.equal(await download.failure(), null);
    return readFile(await download.path());
  }

  /** The problem that the page shows, which its field is described by and has the focus after. */
  async function problemOn(page: Page): Promise<string | null> {
    const alert = page.getByRole('alert');
    await alert.waitFor();
    const sentence = (await alert.textContent()) ?? '';
    assert.ok(sentence.length > 40 && !/[{}]/.test(sentence), 'a sentence');
    assert.equal(await page.locator('#token:focus').count(), 1);
    assert.match((await token(page).getAttribute('aria-describedby')) ?? '', /\bproblem\b/);
    return alert.getAttribute('data-problem');
  }

  test('saves an archive that verifies, unless another format is chosen', () =>
    withLog(1_234, (db) =>
      withService({ pool: db.pool() }, (service) =>
        visit(service, async ({ page, requests, complaints }) => {
          await token(page).fill('token-1');
          const download = await downloadBy(page, () => button(page).click());
          const report = await verifyArchive(await savedBytes(download), { userId: USER });
          assert.deepEqual([report.ok, report.manifest?.eventCount], [true, 1_234]);
          assert.equal(download.suggestedFilename(), 'sync-backup-user-1-20260414-100000.mana');
          assert.equal((await service.logged()).message, 'backup exported');
          assert.deepEqual(requests, [
            `GET ${service.origin}`,
            `POST ${service.origin}backup/download`,
          ]);
          assert.equal(page.url(), service.origin);
          assert.equal(await page.getByRole('alert').count(), 0);
          assert.doesNotMatch(await page.content(), /user-1|token-1/);
          assert.deepEqual(complaints, []);
        }),
      ),
    ));

  test('saves JSON Lines with the bytes that the export gives', () =>
    withLog(1_234, (db) =>
      withService({ pool: db.pool() }, (service) =>
        visit(service, async ({ page }) => {
          const wanted = await get(service.url, { token: 'token-1' });
          await token(page).fill('token-1');
          await jsonLines(page).check();
          const download = await downloadBy(page, () => button(page).click());
          assert.ok((await savedBytes(download)).equals(wanted.bytes));
          assert.equal(download.suggestedFilename(), 'sync-backup-user-1-20260414-100000.jsonl');
        }),
      ),
    ));

  test('is worked by keyboard alone', () =>
    withLog(3, (db) =>
      withService({ pool: db.pool() }, (service) =>
        visit(service, async ({ page }) => {
          const { keyboard } = page;
          await keyboard.press('Tab');
          await keyboard.type('token-1');
          await keyboard.press('Tab');
          assert.equal(await archive(page).isChecked(), true);
          await keyboard.press('ArrowDown');
          assert.equal(await jsonLines(page).isChecked(), true);
          await keyboard.press('Tab');
          const download = await downloadBy(page, () => keyboard.press('Space'));
          assert.match(download.suggestedFilename(), /\.jsonl$/);
          assert.equal(await download.failure(), null);
        }),
      ),
    ));

  test('begins one download when its button is pressed twice, and says that it is asked for', () =>
    withLog(3, (db) =>
      withService({ pool: db.pool() }, (service) =>
        visit(service, async ({ page, requests }) => {
          const lock = await db.admin.connect();
          try {
            await lock.query('BEGIN; LOCK TABLE sync_changes');
            await page.clock.install({ time: 0 });
            await page.clock.pauseAt(1_000);
            await token(page).fill('token-1');
            await button(page).focus();
            const download = await downloadBy(page, async () => {
              await page.keyboard.press('Enter');
              await waitForBackend(db, ({ waitsFor }) => waitsFor === 'Lock/relation', LIMIT_MS);
              await page.keyboard.press('Enter');
              await lock.query('ROLLBACK');
            });
            assert.equal(await download.failure(), null);
            assert.match((await page.getByRole('status').textContent()) ?? '', /download/);
          } finally {
            lock.release(true);
          }
          assert.equal(requests.filter((request) => request.startsWith('POST')).length, 1);
          await page.clock.runFor(2_000);
          const next = await downloadBy(page, () => button(page).click());
          assert.equal(await next.failure(), null);
        }),
      ),
    ));

  test('works without its script', () =>
    withLog(3, (db) =>
      withService({ pool: db.pool() }, (service) =>
        visit(
          service,
          async ({ page }) => {
            await token(page).fill('wrong');
            await button(page).click();
            await page.getByRole('alert').waitFor();
            await token(page).fill('token-1');
            const download = await downloadBy(page, () => button(page).click());
            assert.equal(await download.failure(), null);
          },
          { javaScriptEnabled: false },
        ),
      ),
    ));

  test('shows a sentence for a token that is not valid, and keeps the format, not the token', () =>
    withService({ pool: untouchable }, (service) =>
      visit(service, async ({ page, requests, complaints }) => {
        await token(page).fill('secret-7');
        await jsonLines(page).check();
        await button(page).click();
        assert.equal(await problemOn(page), 'TOKEN_REFUSED');
        assert.equal(await jsonLines(page).isChecked(), true);
        assert.equal(await token(page).inputValue(), '');
        assert.equal(await token(page).getAttribute('aria-invalid'), 'true');
        assert.doesNotMatch(await page.content(), /secret-7/);
        assert.equal(page.url(), service.origin);
        const before = requests.length;
        await page.reload();
        assert.deepEqual(requests.slice(before), [`GET ${service.origin}`]);
        assert.equal(await page.getByRole('alert').count(), 0);
        assert.deepEqual(service.log, []);
        assert.deepEqual(complaints, []);
      }),
    ));

  test('asks for the token before anything is sent', () =>
    withService({ pool: untouchable }, (service) =>
      visit(service, async ({ page, requests }) => {
        await button(page).click();
        assert.equal(await page.locator('#token:invalid:focus').count(), 1);
        assert.deepEqual(requests, [`GET ${service.origin}`]);
      }),
    ));

  test('shows a sentence where the database is down', async () => {
    const pool = new pg.Pool({ host: '127.0.0.1', port: await closedPort() });
    await withService({ pool }, (service) =>
      visit(service, async ({ page }) => {
        await token(page).fill('token-1');
        await button(page).click();
        assert.equal(await problemOn(page), 'DATABASE_DOWN');
        assert.equal((await service.logged()).message, 'backup export failed');
      }),
    );
    await pool.end();
  });

  for (const format of ['archive', 'jsonl']) {
    test(`leaves no file when the database dies under way: ${format}`, () =>
      withLog(
        LONG_LOG.rowCount,
        async (db) => {
          await using proxy = await startWireProxy(db.address);
          const pool = db.pool({ connectionString: proxy.url(db.url()) });
          const half = (LONG_LOG.rowCount * LONG_LOG.dataBytes) / 2;
          proxy.cutAfter(half);
          await withService({ pool }, (service) =>
            visit(service, async ({ page }) => {
              await token(page).fill('token-1');
              await page.locator(`input[value=${format}]`).check();
              const download = await downloadBy(page, () => button(page).click());
              assert.notEqual(await download.failure(), null, 'the browser calls it failed');
              await assert.rejects(download.path());
              const entry = await service.logged();
              assert.ok(entry.message === 'backup export failed');
              assert.equal(entry.error, 'BACKUP_SOURCE_FAILED');
              assert.ok(entry.rowsWritten > 0 && entry.rowsWritten < LONG_LOG.rowCount);
              // The next try succeeds.
              proxy.heal();
              await page.reload();
              await token(page).fill('token-1');
              const next = await downloadBy(page, () => button(page).click());
              await savedBytes(next);
            }),
          );
        },
        LONG_LOG.dataBytes,
      ));
  }

  for (const colorScheme of ['light', 'dark'] as const) {
    test(`has text that stands out from its ground, and fits a small phone: ${colorScheme}`, () =>
      withService({ pool: untouchable }, (service) =>
        visit(
          service,
          async ({ page }) => {
            await token(page).fill('wrong');
            await button(page).click();
            await page.getByRole('alert').waitFor();
            // 4.5 is what WCAG 2.2 asks for at level AA (1.4.3).
            const found =
              await page.evaluate<readonly { text: string; ratio: number }[]>(contrasts);
            assert.deepEqual(
              found.filter(({ ratio }) => ratio < 4.5),
              [],
            );
            assert.ok(found.length > 20, 'texts were found');
            const ground = await page.evaluate<string>(
              'getComputedStyle(document.body).backgroundColor',
            );
            assert.equal(/rgb\(2\d\d,/.test(ground), colorScheme === 'light');
            const overflow = await page.evaluate<number>(
              'document.documentElement.scrollWidth - innerWidth',
            );
            assert.equal(overflow, 0);
          },
          { colorScheme, viewport: { width: 320, height: 640 } },
        ),
      ));
  }
});

/** An expression: each text on the page with the contrast between its colour and what is behind it. */
const contrasts = `(() => {
  const channels = (color) => color.match(/[\\d.]+/g).map(Number);
  const luminance = (color) => {
    const [red, green, blue] = channels(color).map((value) => {
      const part = value / 255;
      return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const groundOf = (element) => {
    const { backgroundColor } = getComputedStyle(element);
    return channels(backgroundColor)[3] === 0 ? groundOf(element.parentElement) : backgroundColor;
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const found = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    if (text === '' || element.localName === 'script') continue;
    const [light, dark] = [getComputedStyle(element).color, groundOf(element)]
      .map(luminance)
      .sort((a, b) => b - a);
    found.push({ text, ratio: (light + 0.05) / (dark + 0.05) });
  }
  return found;
})()`;
