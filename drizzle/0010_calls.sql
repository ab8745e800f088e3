CREATE TABLE "lethe"."call" (
	"id" uuid PRIMARY KEY NOT NULL,
	"erasure_id" uuid NOT NULL,
	"task_id" bigint NOT NULL,
	"partner" text NOT NULL,
	"pass" integer NOT NULL,
	"state" text NOT NULL,
	"items" bigint NOT NULL,
	"sealed" "bytea",
	"cursor" text[],
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_at" timestamp with time zone,
	"leased_until" timestamp with time zone,
	"asked_at" timestamp with time zone,
	"last_at" timestamp with time zone,
	"last_words" text,
	"settled_at" timestamp with time zone,
	CONSTRAINT "call_state" CHECK (state IN ('gathered', 'open', 'accepted', 'done', 'dropped'))
);
--> statement-breakpoint
CREATE TABLE "lethe"."partner" (
	"name" text PRIMARY KEY NOT NULL,
	"failures" integer DEFAULT 0 NOT NULL,
	"opened_at" timestamp with time zone,
	"probe_at" timestamp with time zone,
	"paused_until" timestamp with time zone,
	"holder" text,
	"held_until" timestamp with time zone,
	"words" text,
	"answered_at" timestamp with time zone
);
--> statement-breakpoint
CREATE TABLE "lethe"."partner_request" (
	"id" text PRIMARY KEY NOT NULL,
	"erasure_id" uuid,
	"source" text NOT NULL,
	"ack_url" text,
	"sealed" "bytea",
	"attempts" integer DEFAULT 0 NOT NULL,
	"next_at" timestamp with time zone,
	"received_at" timestamp with time zone DEFAULT now() NOT NULL,
	"acknowledged_at" timestamp with time zone,
	"last_words" text
);
--> statement-breakpoint
ALTER TABLE "lethe"."call" ADD CONSTRAINT "call_erasure_id_erasure_id_fk" FOREIGN KEY ("erasure_id") REFERENCES "lethe"."erasure"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "lethe"."call" ADD CONSTRAINT "call_task_id_task_id_fk" FOREIGN KEY ("task_id") REFERENCES "lethe"."task"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
ALTER TABLE "lethe"."partner_request" ADD CONSTRAINT "partner_request_erasure_id_erasure_id_fk" FOREIGN KEY ("erasure_id") REFERENCES "lethe"."erasure"("id") ON DELETE no action ON UPDATE no action;--> statement-breakpoint
CREATE INDEX "call_due" ON "lethe"."call" USING btree ("partner","next_at") WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "call_leased" ON "lethe"."call" USING btree ("partner") WHERE leased_until IS NOT NULL;--> statement-breakpoint
CREATE INDEX "call_task" ON "lethe"."call" USING btree ("task_id") WHERE settled_at IS NULL;--> statement-breakpoint
CREATE INDEX "call_erasure" ON "lethe"."call" USING btree ("erasure_id");--> statement-breakpoint
CREATE INDEX "partner_request_due" ON "lethe"."partner_request" USING btree ("next_at") WHERE next_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "partner_request_erasure" ON "lethe"."partner_request" USING btree ("erasure_id");