import tseslint from "typescript-eslint";

const kept = "what the browser keeps goes through src/lib/storage.ts";
const harness = "waits and timeouts live in src/test/harness.tsx and src/test/policy.ts";

export default tseslint.config(
  { ignores: ["dist"] },
  ...tseslint.configs.recommended,
  {
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["src/lib/**", "src/test/**"],
    rules: {
      "no-restricted-globals": [
        "error",
        ...["setTimeout", "setInterval"].map((name) => ({ name, message: harness })),
        ...["localStorage", "sessionStorage"].map((name) => ({ name, message: kept })),
      ],
      "no-restricted-properties": [
        "error",
        { object: "window", property: "localStorage", message: kept },
        { object: "window", property: "sessionStorage", message: kept },
        { object: "globalThis", property: "localStorage", message: kept },
        { object: "navigator", property: "clipboard", message: "texts for the clipboard go through src/lib/clipboard.ts" },
      ],
    },
  },
  { rules: { "no-empty": ["error", { allowEmptyCatch: false }], "no-useless-catch": "error" } },
  {
    files: ["src/lib/**/*.{ts,tsx}"],
    rules: { "no-restricted-globals": ["error", ...["setTimeout", "setInterval"].map((name) => ({ name, message: harness }))] },
  },
  {
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["src/test/**"],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          paths: [
            { name: "@testing-library/react", message: "render and find through src/test/harness.tsx" },
            { name: "@testing-library/user-event", message: harness },
          ],
        },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "CallExpression[callee.name=/^(waitFor|sleep|delay)$/]", message: harness },
        { selector: "CallExpression[callee.object.name='vi'][callee.property.name=/^(waitFor|waitUntil|useFakeTimers)$/]", message: harness },
        { selector: "CallExpression[callee.name=/^(it|test)$/][arguments.length>2]", message: "no timeout on a single test: " + harness },
      ],
    },
  },
);
