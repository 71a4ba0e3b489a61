import tseslint from "typescript-eslint";

const harness = "waits and timeouts live in src/test/harness.tsx and src/test/policy.ts";

export default tseslint.config(
  { ignores: ["dist"] },
  ...tseslint.configs.recommended,
  {
    files: ["src/**/*.{ts,tsx}"],
    ignores: ["src/test/**"],
    rules: {
      "no-restricted-globals": ["error", { name: "setTimeout", message: harness }, { name: "setInterval", message: harness }],
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
