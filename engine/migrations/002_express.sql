-- Small jobs whose caller waits: their chunks go before others, and nobody keeps them for long.
ALTER TABLE engine.job ADD COLUMN express boolean NOT NULL DEFAULT false;
