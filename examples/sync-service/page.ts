// The page on which people download their data: its text, its looks, its headers. Nothing in it is
// anybody's data. `download-page.ts` serves it and answers its form.
import { createHash } from 'node:crypto';
import type { ServerResponse } from 'node:http';

/** Where the page is, and where its form is sent to. */
export const PAGE_PATH = '/';
export const FORM_PATH = '/backup/download';

/** What the person who reads the page has to know: what is wrong, and what to do. */
const sentences = {
  TOKEN_MISSING: 'Enter your access token: without it, nobody can tell whose data to give you.',
  TOKEN_REFUSED:
    'This access token is not valid, or no longer. Copy it again, all of it, or get a new one where you got this one.',
  DOWNLOAD_RUNNING:
    'Your data is being downloaded already. Look among the downloads of your browser; to start again, cancel that one first.',
  DATABASE_DOWN:
    'Your data cannot be read at the moment, and nothing was downloaded. Try again in a few minutes.',
  SERVICE_FAULT:
    'Something is wrong with this service, and nothing was downloaded. Try again later; if that does not help, tell whoever runs it.',
  FORM_UNREADABLE: 'Nothing was downloaded. Start the download with the button on this page.',
} as const;

/** Why there is no download. */
export type Problem = keyof typeof sentences;

/** What the page shows besides what it always does. */
export interface PageState {
  readonly problem?: Problem;
  /** A code to tell whoever runs the service: capital letters and `_`. */
  readonly code?: string;
  /** What is chosen. Default: the archive. */
  readonly format?: 'jsonl' | 'archive';
}

/** Sends the page; does nothing for a client that is gone. */
export function sendPage(
  response: ServerResponse,
  status: number,
  state: PageState = {},
  headers: Readonly<Record<string, string>> = {},
): void {
  if (response.destroyed) return;
  response.writeHead(status, {
    ...headers,
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Security-Policy': policy,
    'X-Content-Type-Options': 'nosniff',
    'Cross-Origin-Opener-Policy': 'same-origin',
    'Referrer-Policy': 'no-referrer',
    'Cache-Control': 'no-store',
  });
  response.end(pageOf(state));
}

const style = `
:root {
  color-scheme: light dark;
  --ground: #f7f6f3; --sheet: #fff; --text: #23262b; --quiet: #5a606a; --line: #d9d6cf; --edge: #85817a;
  --accent: #1d5f58; --accent-over: #174c46; --on-accent: #fff; --chosen: #eff6f4;
  --wrong: #8f2418; --wrong-ground: #fcf0ed;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #15181b; --sheet: #1d2125; --text: #e6e5e1; --quiet: #a5abb3; --line: #363c42; --edge: #767d85;
    --accent: #86cabf; --accent-over: #a3dbd2; --on-accent: #0f2422; --chosen: #1f2e2d;
    --wrong: #f5b4a8; --wrong-ground: #34211e;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: clamp(1.5rem, 6vw, 4.5rem) 1.25rem;
  background: var(--ground); color: var(--text);
  font: 1.0625rem/1.6 system-ui, sans-serif; overflow-wrap: break-word;
}
main { max-width: 36rem; margin: 0 auto; }
h1 { margin: 0; font-size: 2.125rem; line-height: 1.2; letter-spacing: -0.02em; }
h2 { margin: 2.75rem 0 0.5rem; font-size: 1.1875rem; line-height: 1.3; }
p { margin: 0.5rem 0; }
.lead { margin: 0.75rem 0 2rem; font-size: 1.1875rem; color: var(--quiet); }
.hint { display: block; margin: 0; font-size: 0.9375rem; line-height: 1.5; color: var(--quiet); }
.problem {
  margin: 0 0 1.25rem; padding: 0.875rem 1.125rem; border-left: 4px solid;
  border-radius: 4px 10px 10px 4px; background: var(--wrong-ground); color: var(--wrong);
}
form {
  padding: clamp(1.25rem, 5vw, 1.875rem);
  border: 1px solid var(--line); border-radius: 14px; background: var(--sheet);
}
fieldset { min-width: 0; margin: 1.75rem 0; padding: 0; border: 0; }
legend { padding: 0; }
.name { display: block; font-weight: 600; }
input[type='password'] {
  width: 100%; margin: 0.375rem 0; padding: 0.625rem 0.75rem;
  border: 1px solid var(--edge); border-radius: 8px;
  background: var(--ground); color: inherit; font: inherit;
}
input[aria-invalid] { border-color: var(--wrong); }
.format {
  display: flex; gap: 0.75rem; margin-top: 0.625rem; padding: 0.75rem 0.875rem;
  border: 1px solid var(--line); border-radius: 10px; cursor: pointer;
}
.format:has(:checked) { border-color: var(--accent); background: var(--chosen); }
.format input { flex: none; width: 1.125rem; height: 1.125rem; margin: 0.28rem 0 0; accent-color: var(--accent); }
.recommended { font-weight: 400; color: var(--accent); }
button {
  width: 100%; padding: 0.75rem 1.25rem; border: 0; border-radius: 8px; cursor: pointer;
  background: var(--accent); color: var(--on-accent); font: inherit; font-weight: 600;
}
button:hover { background: var(--accent-over); }
button[aria-disabled] { cursor: progress; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
[role='status']:empty { display: none; }
[role='status'] { margin: 0.875rem 0 0; color: var(--quiet); }
ul, ol { margin: 0.5rem 0; padding-left: 1.25rem; }
li { margin: 0.375rem 0; }
code { font: 0.9em/1.5 ui-monospace, monospace; }
pre { margin: 0.625rem 0; padding: 0.75rem 1rem; border: 1px solid var(--line); border-radius: 8px; background: var(--sheet); white-space: pre-wrap; }
a { color: var(--accent); }
`;

// Without it the page does all that it has to. With it, pressing twice is no second download, and a form that
// was refused leaves nothing in the history that a reload would send again.
const script = `
if (location.pathname !== '${PAGE_PATH}') history.replaceState(null, '', '${PAGE_PATH}');
const form = document.querySelector('form');
const button = form.querySelector('button');
const status = form.querySelector('[role=status]');
form.addEventListener('submit', (event) => {
  if (button.ariaDisabled) return event.preventDefault();
  button.ariaDisabled = 'true';
  status.textContent = 'Your data is being asked for. Your browser shows the download as soon as it begins.';
  setTimeout(() => { button.ariaDisabled = null; }, 2000);
});
`;

const policy = [
  "default-src 'none'",
  `style-src '${hashOf(style)}'`,
  `script-src '${hashOf(script)}'`,
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join('; ');

function hashOf(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}

function pageOf({ problem, code, format = 'archive' }: PageState): string {
  const checked = (value: string): string => (value === format ? ' checked' : '');
  const isTokenWrong = problem === 'TOKEN_MISSING' || problem === 'TOKEN_REFUSED';
  // With a problem, the field is where to go on from: the token has to be entered again.
  const field =
    problem === undefined
      ? 'aria-describedby="token-hint"'
      : `aria-describedby="problem token-hint" autofocus${isTokenWrong ? ' aria-invalid="true"' : ''}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${problem === undefined ? '' : 'Not downloaded: '}Your data</title>
<style>${style}</style>
</head>
<body>
<main>
<h1>Your data</h1>
<p class="lead">Download all that your apps have saved here. It is yours, with or without a subscription.</p>
${problem === undefined ? '' : problemOf(problem, code)}
<form method="post" action="${FORM_PATH}">
  <label class="name" for="token">Access token</label>
  <input type="password" id="token" name="token" required autocomplete="current-password" ${field}>
  <p class="hint" id="token-hint">What your apps sign in with. It is used for this download and not kept.</p>
  <fieldset>
    <legend class="name">Format</legend>
    <label class="format">
      <input type="radio" name="format" value="archive"${checked('archive')} aria-labelledby="archive-name" aria-describedby="archive-hint">
      <span>
        <span class="name" id="archive-name">Archive <span class="recommended">(recommended)</span></span>
        <span class="hint" id="archive-hint">To keep, and to restore from. Any computer can check that it is whole, today or in ten years.</span>
      </span>
    </label>
    <label class="format">
      <input type="radio" name="format" value="jsonl"${checked('jsonl')} aria-labelledby="jsonl-name" aria-describedby="jsonl-hint">
      <span>
        <span class="name" id="jsonl-name">JSON Lines</span>
        <span class="hint" id="jsonl-hint">Plain text for programs of your own, one change in each line. It does not tell whether it is whole.</span>
      </span>
    </label>
  </fieldset>
  <button>Download</button>
  <p role="status"></p>
</form>

<h2>What is in the file</h2>
<ul>
  <li>Every change that your apps have synced: what you added, changed or deleted, in which app, and when. So it also holds what you have deleted since.</li>
  <li>What your apps have encrypted stays encrypted. All else can be read by whoever has the file, so keep it in a safe place.</li>
  <li>What others wrote in spaces that they share with you is theirs, and not in your file.</li>
</ul>

<h2>While it downloads</h2>
<p>Your browser saves the file as it comes and shows how far it is. If it says that the download failed, delete what is there and start again: a part of a file is no backup. An archive can be <a href="#check">checked</a> afterwards.</p>

<h2 id="check">How to check an archive</h2>
<p>An archive (<code>.mana</code>) is a zip. It ends with a manifest, which says how many changes there are and holds their SHA-256, a fingerprint that no other data has. In a terminal:</p>
<pre><code>unzip -p your-file.mana events.jsonl | sha256sum
unzip -p your-file.mana manifest.json</code></pre>
<p>The archive is whole if the first prints what the second calls <code>eventsSha256</code>. On a Mac, write <code>shasum -a 256</code> for <code>sha256sum</code>. Programs check it with <code>verifyArchive</code> of the package <code>backup-streams</code>; its README tells how, and how to restore.</p>
</main>
<script>${script}</script>
</body>
</html>
`;
}

function problemOf(problem: Problem, code: string | undefined): string {
  const toTell = code === undefined ? '' : ` The code for it is <code>${code}</code>.`;
  return `<p class="problem" id="problem" role="alert" data-problem="${problem}">${sentences[problem]}${toTell}</p>`;
}
