import { useState } from "react";

import { Inventory } from "./pages/Inventory";
import { Purchases } from "./pages/Purchases";

const PAGES = { Inventory, Purchases };

/** The shell: two pages and a menu. */
export function App() {
  const [page, setPage] = useState<keyof typeof PAGES>("Inventory");
  const Page = PAGES[page];
  return (
    <>
      <nav aria-label="Pages">
        {(Object.keys(PAGES) as (keyof typeof PAGES)[]).map((name) => (
          <button key={name} aria-current={name === page ? "page" : undefined} onClick={() => setPage(name)}>
            {name}
          </button>
        ))}
      </nav>
      <main>
        <Page />
      </main>
    </>
  );
}
