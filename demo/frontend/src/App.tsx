import { useState } from "react";

import { Dashboard } from "./pages/Dashboard";
import { Inventory } from "./pages/Inventory";
import { MasterProducts } from "./pages/MasterProducts";
import { Purchases } from "./pages/Purchases";

const PAGES = { Inventory, Purchases, "Master products": MasterProducts, Dashboard: () => <Dashboard /> };

/** The shell: pages and a menu. */
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
