import { useState } from "react";

import { copy } from "./clipboard";

/** A button that copies a text and says whether it did. */
export function Copy({ label, text }: { label: string; text: string }) {
  const [said, setSaid] = useState("");
  const run = () => {
    void copy(text).then((good) => setSaid(good ? "Copied" : "Not allowed"));
  };
  return (
    <>
      <button type="button" onClick={run}>
        {label}
      </button>
      {said && <span role="status">{said}</span>}
    </>
  );
}
