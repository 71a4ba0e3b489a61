/** One line a finding, with its place: whoever reads the line alone can go there. */
import { relative } from "node:path";

export default function format(results) {
  const lines = results.flatMap(({ filePath, messages }) =>
    messages.map(({ line = 1, column = 1, message, ruleId }) => `${relative(process.cwd(), filePath)}:${line}:${column}: error: ${message} (${ruleId ?? "syntax"})`),
  );
  return lines.length > 0 ? `${lines.join("\n")}\n` : "";
}
