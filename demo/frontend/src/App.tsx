import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";

import { api, hasToken, onSignedOut } from "./lib/api";
import { useView } from "./lib/storage";
import { Dashboard } from "./pages/Dashboard";
import { Inventory } from "./pages/Inventory";
import { Login } from "./pages/Login";
import { Marketplace } from "./pages/Marketplace";
import { MasterProducts } from "./pages/MasterProducts";
import { Purchases } from "./pages/Purchases";
import { Reports } from "./pages/Reports";
import { Sales } from "./pages/Sales";
import { Sourcing } from "./pages/Sourcing";

const PAGES = {
  Dashboard: () => <Dashboard />,
  Purchases,
  Sourcing,
  Inventory,
  "Master products": MasterProducts,
  Marketplace,
  Sales,
  Reports: () => <Reports />,
};
type Page = keyof typeof PAGES;
const NAMES = Object.keys(PAGES) as Page[];

/** The shell: pages and a menu, for whoever is signed in. */
export function App() {
  const client = useQueryClient();
  const [signedIn, setSignedIn] = useState(hasToken);
  const [page, setPage] = useView<Page>("page", NAMES, "Dashboard");
  useEffect(() => {
    onSignedOut(() => {
      setSignedIn(false);
      client.clear();
    });
    return () => onSignedOut(() => {});
  }, [client]);
  const signOut = useMutation({ mutationFn: api.signOut });
  if (!signedIn) {
    return (
      <main>
        <Login onSignedIn={() => setSignedIn(true)} />
      </main>
    );
  }
  const Page = PAGES[page];
  return (
    <>
      <nav aria-label="Pages">
        {NAMES.map((name) => (
          <button key={name} aria-current={name === page ? "page" : undefined} onClick={() => setPage(name)}>
            {name}
          </button>
        ))}
        <button className="quiet" disabled={signOut.isPending} onClick={() => signOut.mutate()}>
          Sign out
        </button>
      </nav>
      <main>
        <Page />
      </main>
    </>
  );
}
