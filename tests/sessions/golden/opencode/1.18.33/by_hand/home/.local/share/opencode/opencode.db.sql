CREATE TABLE `message` (
          `id` text PRIMARY KEY,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_message_session_id_session_id_fk` FOREIGN KEY (`session_id`) REFERENCES `session`(`id`) ON DELETE CASCADE
        );
INSERT INTO "message" VALUES('msg_220106b7e0015V0Kl0FNJbujNf','ses_ddfef970dffeD5jU30RtHUN6To',1795834276734,1795834291787,'{"role":"user","time":{"created":1795834276734},"agent":"build","model":{"providerID":"gw","modelID":"test-model"},"summary":{"diffs":[{"file":"app.py","patch":"Index: app.py\n===================================================================\n--- app.py\t\n+++ app.py\t\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","additions":1,"deletions":1,"status":"modified"}]}}');
INSERT INTO "message" VALUES('msg_22010786b001AfjUqJSQyxIyLi','ses_ddfef970dffeD5jU30RtHUN6To',1795834280043,1795834288234,'{"parentID":"msg_220106b7e0015V0Kl0FNJbujNf","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795834280043,"completed":1795834288233},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_220109873001C2ryoqHHIt5SQs','ses_ddfef970dffeD5jU30RtHUN6To',1795834288243,1795834290634,'{"parentID":"msg_220106b7e0015V0Kl0FNJbujNf","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795834288243,"completed":1795834290624},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_22010a1d60017oRutj4qW4avRv','ses_ddfef970dffeD5jU30RtHUN6To',1795834290646,1795834292824,'{"parentID":"msg_220106b7e0015V0Kl0FNJbujNf","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795834290646,"completed":1795834292805},"finish":"stop"}');
INSERT INTO "message" VALUES('msg_22010cd25001bYFxqL1QVuS2aZ','ses_ddfef970dffeD5jU30RtHUN6To',1795834301740,1795834311375,'{"role":"user","time":{"created":1795834301740},"agent":"build","model":{"providerID":"gw","modelID":"test-model"},"summary":{"diffs":[]}}');
INSERT INTO "message" VALUES('msg_22010dabb001xbyj4XEAEYx4Ti','ses_ddfef970dffeD5jU30RtHUN6To',1795834305211,1795834310978,'{"parentID":"msg_22010cd25001bYFxqL1QVuS2aZ","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795834305211,"completed":1795834310977},"finish":"tool-calls"}');
INSERT INTO "message" VALUES('msg_22010f159001ODxLoW0fhsThjy','ses_ddfef970dffeD5jU30RtHUN6To',1795834311001,1795834312011,'{"parentID":"msg_22010cd25001bYFxqL1QVuS2aZ","role":"assistant","mode":"build","agent":"build","path":{"cwd":"/home/dev/shop","root":"/home/dev/shop"},"cost":0,"tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"modelID":"test-model","providerID":"gw","time":{"created":1795834311001,"completed":1795834312010},"finish":"stop"}');
CREATE TABLE `part` (
          `id` text PRIMARY KEY,
          `message_id` text NOT NULL,
          `session_id` text NOT NULL,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `data` text NOT NULL,
          CONSTRAINT `fk_part_message_id_message_id_fk` FOREIGN KEY (`message_id`) REFERENCES `message`(`id`) ON DELETE CASCADE
        );
INSERT INTO "part" VALUES('prt_220106bc6001jhuQpAnVnACEIb','msg_220106b7e0015V0Kl0FNJbujNf','ses_ddfef970dffeD5jU30RtHUN6To',1795834279943,1795834279963,'{"type":"text","text":"Shout the greeting."}');
INSERT INTO "part" VALUES('prt_2201091b30013ayGNOa5YoCTVm','msg_22010786b001AfjUqJSQyxIyLi','ses_ddfef970dffeD5jU30RtHUN6To',1795834286515,1795834286545,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_2201091ec001i9AhpKODom4fyy','msg_22010786b001AfjUqJSQyxIyLi','ses_ddfef970dffeD5jU30RtHUN6To',1795834286572,1795834287237,'{"type":"tool","tool":"read","callID":"call_0_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/app.py"},"output":"<path>/home/dev/shop/app.py</path>\n<type>file</type>\n<content>\n1: def greet(name):\n2:     return \"hello \" + name\n3: \n4: \n5: def part(name):\n6:     return \"bye \" + name\n\n(End of file - total 6 lines)\n</content>","metadata":{"preview":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","truncated":false,"loaded":[],"display":{"type":"file","path":"/home/dev/shop/app.py","text":"def greet(name):\n    return \"hello \" + name\n\n\ndef part(name):\n    return \"bye \" + name","lineStart":1,"lineEnd":6,"totalLines":6,"truncated":false}},"title":"app.py","time":{"start":1795834286650,"end":1795834287216}}}');
INSERT INTO "part" VALUES('prt_220109635001ANwYgpxurOUax5','msg_22010786b001AfjUqJSQyxIyLi','ses_ddfef970dffeD5jU30RtHUN6To',1795834287669,1795834287670,'{"reason":"tool-calls","snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_220109bcb001AG9RMIu1LyMfAw','msg_220109873001C2ryoqHHIt5SQs','ses_ddfef970dffeD5jU30RtHUN6To',1795834289099,1795834289117,'{"snapshot":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","type":"step-start"}');
INSERT INTO "part" VALUES('prt_220109bdf0017bvxMwc3lsKxOo','msg_220109873001C2ryoqHHIt5SQs','ses_ddfef970dffeD5jU30RtHUN6To',1795834289119,1795834289566,'{"type":"tool","tool":"edit","callID":"call_1_0","state":{"status":"completed","input":{"filePath":"/home/dev/shop/app.py","oldString":"    return \"hello \" + name","newString":"    return \"HELLO \" + name.upper()"},"output":"Edit applied successfully.","metadata":{"diagnostics":{},"diff":"Index: /home/dev/shop/app.py\n===================================================================\n--- /home/dev/shop/app.py\n+++ /home/dev/shop/app.py\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","filediff":{"file":"/home/dev/shop/app.py","patch":"Index: /home/dev/shop/app.py\n===================================================================\n--- /home/dev/shop/app.py\n+++ /home/dev/shop/app.py\n@@ -1,6 +1,6 @@\n def greet(name):\n-    return \"hello \" + name\n+    return \"HELLO \" + name.upper()\n \n \n def part(name):\n     return \"bye \" + name\n","additions":1,"deletions":1},"truncated":false},"title":"app.py","time":{"start":1795834289308,"end":1795834289565}}}');
INSERT INTO "part" VALUES('prt_22010a0600011VE5q0S4qiT9hM','msg_220109873001C2ryoqHHIt5SQs','ses_ddfef970dffeD5jU30RtHUN6To',1795834290272,1795834290277,'{"reason":"tool-calls","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_22010a13c001JLDkYDXZalYdMr','msg_220109873001C2ryoqHHIt5SQs','ses_ddfef970dffeD5jU30RtHUN6To',1795834290492,1795834290530,'{"type":"patch","hash":"647abe5bf6881aa1b8508237e284eb60b68b5f1c","files":["/home/dev/shop/app.py"]}');
INSERT INTO "part" VALUES('prt_22010a54f001Fvpkx4o911XYrs','msg_22010a1d60017oRutj4qW4avRv','ses_ddfef970dffeD5jU30RtHUN6To',1795834291535,1795834291538,'{"snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-start"}');
INSERT INTO "part" VALUES('prt_22010a5540019xEK4HjHj6MpPy','msg_22010a1d60017oRutj4qW4avRv','ses_ddfef970dffeD5jU30RtHUN6To',1795834291541,1795834291547,'{"type":"text","text":"All done.","time":{"start":1795834291540,"end":1795834291543}}');
INSERT INTO "part" VALUES('prt_22010a8060018JyYhAVEsl6R51','msg_22010a1d60017oRutj4qW4avRv','ses_ddfef970dffeD5jU30RtHUN6To',1795834292230,1795834292232,'{"reason":"stop","snapshot":"e01bb462760cdbe478c271b763f8c140152a739f","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_22010cd3e001GImGZz9tmOGNch','msg_22010cd25001bYFxqL1QVuS2aZ','ses_ddfef970dffeD5jU30RtHUN6To',1795834305153,1795834305155,'{"type":"text","text":"I have changed it by hand. Commit it as it is."}');
INSERT INTO "part" VALUES('prt_22010ea8f001Qia1DXuugjn3lG','msg_22010dabb001xbyj4XEAEYx4Ti','ses_ddfef970dffeD5jU30RtHUN6To',1795834309263,1795834309286,'{"snapshot":"98068f337f145fe131ccabfaa87a79400b8ed305","type":"step-start"}');
INSERT INTO "part" VALUES('prt_22010eab3001GCYLVsaNVx6SVq','msg_22010dabb001xbyj4XEAEYx4Ti','ses_ddfef970dffeD5jU30RtHUN6To',1795834309299,1795834310270,'{"type":"tool","tool":"bash","callID":"call_3_0","state":{"status":"completed","input":{"command":"git commit -am \"Greet by name\"","description":"do it"},"output":"[main 9f59bf1] Greet by name\n 1 file changed, 1 insertion(+), 1 deletion(-)\n","metadata":{"output":"[main 9f59bf1] Greet by name\n 1 file changed, 1 insertion(+), 1 deletion(-)\n","exit":0,"truncated":false},"title":"git commit -am \"Greet by name\"","time":{"start":1795834309394,"end":1795834310256}}}');
INSERT INTO "part" VALUES('prt_22010eff2001jxvxK98OsJPTnj','msg_22010dabb001xbyj4XEAEYx4Ti','ses_ddfef970dffeD5jU30RtHUN6To',1795834310642,1795834310644,'{"reason":"tool-calls","snapshot":"98068f337f145fe131ccabfaa87a79400b8ed305","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
INSERT INTO "part" VALUES('prt_22010f320001rbg37gQ4VJNYHG','msg_22010f159001ODxLoW0fhsThjy','ses_ddfef970dffeD5jU30RtHUN6To',1795834311456,1795834311464,'{"snapshot":"98068f337f145fe131ccabfaa87a79400b8ed305","type":"step-start"}');
INSERT INTO "part" VALUES('prt_22010f32a001QUn97v9MJHwWV0','msg_22010f159001ODxLoW0fhsThjy','ses_ddfef970dffeD5jU30RtHUN6To',1795834311466,1795834311495,'{"type":"text","text":"All done.","time":{"start":1795834311466,"end":1795834311494}}');
INSERT INTO "part" VALUES('prt_22010f421001zpHpOWyD5nIfuT','msg_22010f159001ODxLoW0fhsThjy','ses_ddfef970dffeD5jU30RtHUN6To',1795834311713,1795834311730,'{"reason":"stop","snapshot":"98068f337f145fe131ccabfaa87a79400b8ed305","type":"step-finish","tokens":{"total":1020,"input":700,"output":20,"reasoning":0,"cache":{"write":0,"read":300}},"cost":0}');
CREATE TABLE `session` (
          `id` text PRIMARY KEY,
          `project_id` text NOT NULL,
          `workspace_id` text,
          `parent_id` text,
          `slug` text NOT NULL,
          `directory` text NOT NULL,
          `path` text,
          `title` text NOT NULL,
          `version` text NOT NULL,
          `share_url` text,
          `summary_additions` integer,
          `summary_deletions` integer,
          `summary_files` integer,
          `summary_diffs` text,
          `metadata` text,
          `cost` real DEFAULT 0 NOT NULL,
          `tokens_input` integer DEFAULT 0 NOT NULL,
          `tokens_output` integer DEFAULT 0 NOT NULL,
          `tokens_reasoning` integer DEFAULT 0 NOT NULL,
          `tokens_cache_read` integer DEFAULT 0 NOT NULL,
          `tokens_cache_write` integer DEFAULT 0 NOT NULL,
          `revert` text,
          `permission` text,
          `agent` text,
          `model` text,
          `time_created` integer NOT NULL,
          `time_updated` integer NOT NULL,
          `time_compacting` integer,
          `time_archived` integer,
          CONSTRAINT `fk_session_project_id_project_id_fk` FOREIGN KEY (`project_id`) REFERENCES `project`(`id`) ON DELETE CASCADE
        );
INSERT INTO "session" VALUES('ses_ddfef970dffeD5jU30RtHUN6To','8d8504426ee516467e22e8399f4f8f0cd94fec38',NULL,NULL,'playful-forest','/home/dev/shop','','t','1.18.33',NULL,0,0,0,NULL,NULL,0.0,3500,100,0,1500,0,NULL,'[{"permission":"question","pattern":"*","action":"deny"},{"permission":"plan_enter","pattern":"*","action":"deny"},{"permission":"plan_exit","pattern":"*","action":"deny"}]','build','{"id":"test-model","providerID":"gw","variant":"default"}',1795834276082,1795834312048,NULL,NULL);
