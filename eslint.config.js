// How STYLE and the layers are held by machine: what is wrong everywhere first, then what is
// stricter in src/, stricter still where code must be pure, and last what tests are spared.
import { defineConfig, globalIgnores } from 'eslint/config';
import tsdoc from 'eslint-plugin-tsdoc';
import tseslint from 'typescript-eslint';

const lineSplitting = {
  paths: ['node:readline', 'node:readline/promises', 'readline', 'readline/promises'].map(
    (name) => ({ name, message: 'A line ends at byte 0x0A only; readline splits elsewhere too.' }),
  ),
};

const grammar = [
  {
    selector: 'ExportAllDeclaration',
    message: 'Name what is exported: `export *` hides what the package promises.',
  },
  {
    selector:
      ':matches(PropertyDefinition, MethodDefinition, AccessorProperty)[accessibility="private"]',
    message: 'Use a #private member; `private` is only a note to the compiler.',
  },
];

const inSrc = [
  ...grammar,
  {
    selector: 'ExportDefaultDeclaration, ExportSpecifier[exported.name="default"]',
    message: 'Named exports only.',
  },
];

const ambient = [
  {
    selector: 'NewExpression[callee.name="Date"][arguments.length=0]',
    message: 'Pure code has no clock: take the time as an argument.',
  },
  {
    selector: 'CallExpression[callee.name="Date"]',
    message: 'Date() reads the clock; pure code takes the time as an argument.',
  },
];

export default defineConfig(
  globalIgnores(['dist/', 'docs/api/', 'bench/.cache/']),
  { linterOptions: { reportUnusedDisableDirectives: 'error' } },

  {
    // Mistakes that the compiler lets pass, in this file too.
    rules: Object.fromEntries(
      [
        'for-direction',
        'no-async-promise-executor',
        'no-case-declarations',
        'no-compare-neg-zero',
        'no-cond-assign',
        'no-constant-binary-expression',
        'no-control-regex',
        'no-debugger',
        'no-duplicate-case',
        'no-empty',
        'no-empty-character-class',
        'no-empty-pattern',
        'no-fallthrough',
        'no-irregular-whitespace',
        'no-misleading-character-class',
        'no-prototype-builtins',
        'no-regex-spaces',
        'no-self-assign',
        'no-sparse-arrays',
        'no-unassigned-vars',
        'no-unsafe-finally',
        'no-unused-labels',
        'no-useless-backreference',
        'no-useless-catch',
        'no-useless-escape',
        'no-warning-comments',
        'no-with',
        'require-yield',
        'use-isnan',
      ].map((rule) => [rule, 'error']),
    ),
  },
  {
    files: ['**/*.ts'],
    extends: [tseslint.configs.strictTypeChecked, tseslint.configs.stylisticTypeChecked],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/no-import-type-side-effects': 'error',
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-confusing-void-expression': ['error', { ignoreArrowShorthand: true }],
      '@typescript-eslint/no-unnecessary-condition': [
        'error',
        { allowConstantLoopConditions: 'only-allowed-literals' },
      ],
      // A parameter may be there for its place only, and a member may be named to leave it out.
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', ignoreRestSiblings: true },
      ],
      // Counts and byte offsets belong into messages as they are.
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      // An aborted operation rejects with signal.reason, and a wrapped one with what it caught.
      '@typescript-eslint/only-throw-error': [
        'error',
        { allowThrowingAny: true, allowThrowingUnknown: true },
      ],
      '@typescript-eslint/prefer-promise-reject-errors': [
        'error',
        { allowThrowingAny: true, allowThrowingUnknown: true },
      ],
      '@typescript-eslint/prefer-readonly': 'error',
      // It asks for the `!` that another rule of the set forbids.
      '@typescript-eslint/non-nullable-type-assertion-style': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      eqeqeq: ['error', 'always', { null: 'ignore' }],
      'no-restricted-imports': ['error', lineSplitting],
      'no-restricted-syntax': ['error', ...grammar],
      'no-warning-comments': ['error', { terms: ['todo', 'fixme', 'xxx'] }],
    },
  },

  {
    files: ['src/**/*.ts'],
    plugins: { tsdoc },
    rules: {
      'tsdoc/syntax': 'error',
      'no-console': 'error',
      'no-restricted-syntax': ['error', ...inSrc],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      // A caller without a compiler passes what the types forbid, and is told so.
      '@typescript-eslint/no-unnecessary-condition': 'off',
      // Three positional ones, then one options object.
      '@typescript-eslint/max-params': ['error', { max: 4 }],
    },
  },

  {
    // test/package/layers.ts holds what these may import; here is what they may not reach for.
    files: ['src/errors.ts', 'src/format/**/*.ts', 'src/http/**/*.ts'],
    rules: {
      'no-restricted-globals': [
        'error',
        ...['process', 'Buffer', 'performance', 'crypto', 'fetch', 'global', 'globalThis'],
        ...['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'],
      ],
      'no-restricted-properties': [
        'error',
        { object: 'Date', property: 'now', message: 'Pure code has no clock.' },
        { object: 'Math', property: 'random', message: 'Pure code has no dice.' },
      ],
      'no-restricted-syntax': ['error', ...inSrc, ...ambient],
    },
  },

  {
    files: ['test/**/*.ts'],
    rules: {
      // node:test collects what its functions return; nobody has to await it.
      '@typescript-eslint/no-floating-promises': [
        'error',
        {
          allowForKnownSafeCalls: [
            { from: 'package', package: 'node:test', name: ['test', 'it', 'describe', 'suite'] },
          ],
        },
      ],
      // In a test, a wrong `!` is a failing test, and that is enough.
      '@typescript-eslint/no-non-null-assertion': 'off',
      // Fakes implement asynchronous ports and often have nothing to await, or nothing to do.
      '@typescript-eslint/require-await': 'off',
      '@typescript-eslint/no-empty-function': 'off',
    },
  },

  {
    // These files hold expressions that must not compile, and what does not compile has no type.
    files: ['test/types/*.ts'],
    ignores: ['**/*.test.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
    },
  },
);
